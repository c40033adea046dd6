"""The tail index computed: Lyapunov exponent, moment growth, exact second moments, frontiers.

The deviations of all nodes, stacked, obey E⁺ = M E + q with random M. With
rho = lim (1/k) log‖M_k…M_1‖ and h(s) = lim (E‖M_k…M_1‖^s)^{1/k}, a stationary law exists where
rho < 0, and its tail is P(‖E‖ > t) ~ c t^{−alpha} with h(alpha) = 1 (Kesten 1973; Goldie 1991;
Gürbüzbalaban, Hu, Şimşekli, Yuan and Zhu, arXiv 2205.06689). Nothing here simulates iterates.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.common import rng as common_rng
from desgd_fast.common.progress import progress_bar
from desgd_fast.common.warnings import LightTailWarning, NotStationaryWarning, PrecisionWarning
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.protocols import Problem
from desgd_fast.theory import checks
from desgd_fast.theory.closed import one_node, second_moments
from desgd_fast.theory.closed.factors import FEW_DRAWS, Factor
from desgd_fast.theory.closed.second_moments import SecondMoments
from desgd_fast.theory.descents.comparison import compare, norm_bound, regime_map
from desgd_fast.theory.growth import roots
from desgd_fast.theory.growth.divergence import divergence, known_divergence
from desgd_fast.theory.growth.particles import Particles
from desgd_fast.theory.growth.population import Population
from desgd_fast.theory.growth.roots import Walk
from desgd_fast.theory.moments import has_closed_law, recursion
from desgd_fast.theory.moments.sizes import largest_feature, noise_in_range
from desgd_fast.theory.question import Distant, Setting, question, setting
from desgd_fast.theory.results import CriticalStepSize, DominatingRow, Growth, TailIndex
from desgd_fast.theory.shortcuts import factor_of, is_one_node, known_factor_of

__all__ = [
    "compare",
    "critical_step_size",
    "lyapunov_exponent",
    "moment_growth",
    "norm_bound",
    "regime_map",
    "second_moment_growth",
    "stationary_covariance",
    "tail_index",
]

# Particles to begin with where no number is asked for, fewer where each is large, and the most to grow to.
_PARTICLES, _FEWER_PARTICLES, _LARGE, _MOST_PARTICLES = 1024, 256, 1024, 65536
_PARTICLES_OF_A_LOOP = 4096
# As many as draw a row that makes the tail at each step, wished for and least, and the highest moment asked.
_DRAW_A_ROW, _FEW_DRAW_A_ROW, _HIGHEST = 64.0, 16.0, 8.0
# Steps that leave a covariance six digits.
_SLOWEST = 1e-10
# A population that cannot keep what makes the tail is taken so many times as large.
_TOO_SMALL = 4.0


@checks.in_doubles
def second_moment_growth(
    problem: Problem,
    W: ArrayLike | Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
) -> float:
    """h(2), exactly: the factor by which the mean square of the product grows per step.

    The variance of the stationary law is finite exactly where h(2) < 1. For plain steps on isotropic
    Gaussian features, with P_ij = E⟨e_i, e_j⟩, B = W − diag(η_i s_i²) and κ_i = η_i² s_i⁴ (d+1)/b_i,
    combine-then-adapt moves P to B P Bᵀ + diag(κ_i P_ii), and h(2) is the spectral radius of that map. Every
    other linear algorithm, network and data set is followed likewise, stage by stage
    (:mod:`desgd_fast.theory.moments`): S⁺ = A S − Σ_i B_i g_i(L_iᵀ S)ᵀ with the expectation over the
    network's own randomness, S the iterates and the memory of all nodes.

    Parameters
    ----------
    problem : GaussianRegression, DatasetRegression, EmpiricalRisk or StreamingRisk
        What to minimise, and the law of the data; nodes may differ. Of a loss that is not quadratic what is
        left of it at infinity. Rows must be drawn anew for every minibatch; streams must have independent
        features whose moments their law states, as :func:`desgd_fast.laws.linear` does.
    W : (n_nodes, n_nodes) array or sparse array, or MixingProcess
        Doubly stochastic mixing matrix, or one that changes; ``[[1.0]]`` is one node.
    step_size : float or (n_nodes,) array
        η, common or per node.
    batch_size : int or (n_nodes,) array
        b, common or per node.
    algorithm : Algorithm
        As in :func:`desgd_fast.simulate`; its degree must be "linear".
    allow_row_stochastic : bool
        Permit columns of W that do not sum to one.

    Returns
    -------
    float

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or second moments are not known for it; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=10)
    >>> round(dsf.theory.second_moment_growth(problem, [[1.0]], step_size=1 / 6, batch_size=1), 12)
    1.0

    With momentum β one node's frontier in η / (1 − β) is 2b / (s² (d + 1 + b (1 − β)/(1 + β))):

    >>> heavy, step = dsf.algorithms.heavy_ball(0.5), 0.5 * 2 / (11 + 1 / 3)
    >>> arguments = {"step_size": step, "batch_size": 1, "algorithm": heavy}
    >>> round(dsf.theory.second_moment_growth(problem, [[1.0]], **arguments), 9)
    1.0
    """
    arguments: Any = {
        "step_size": step_size,
        "batch_size": batch_size,
        "algorithm": algorithm,
        "allow_row_stochastic": allow_row_stochastic,
    }
    if has_closed_law(problem, W, algorithm):
        asked = setting(problem, W, **arguments)
        largest_feature(problem)
        return max(SecondMoments(part).growth() for part in asked.components())
    moments = recursion(problem, W, **arguments, at_infinity=True)
    checks.step_in_range("step_size", float(moments.step_sizes.max()) * largest_feature(problem) ** 2)
    return moments.growth()


@checks.in_doubles
def stationary_covariance(
    problem: Problem,
    W: ArrayLike | Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
) -> NDArray[np.float64]:
    """E⟨e_i, e_j⟩ of the stationary law, exactly.

    For plain steps on isotropic Gaussian features the fixed point of
    P ↦ B P Bᵀ + diag(κ_i P_ii + η_i² s_i² σ_i² d / b_i), with the symbols of :func:`second_moment_growth`.
    Deviations are from the problem's optimum, which the mean differs from where nodes have optima of their
    own or weights decay. Where rounds differ (local steps, turns), after the last step of a period.

    Parameters
    ----------
    problem, W, step_size, batch_size, algorithm, allow_row_stochastic
        As in :func:`second_moment_growth`.

    Returns
    -------
    (n_nodes, n_nodes) array
        Inner products of the deviations x_i − x* of nodes i and j, in expectation.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or if h(2) ≥ 1 so that the variance is infinite.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=2, noise_std=1.0)
    >>> dsf.theory.stationary_covariance(problem, [[1.0]], step_size=0.1, batch_size=1)
    array([[0.125]])
    """
    arguments: Any = {
        "step_size": step_size,
        "batch_size": batch_size,
        "algorithm": algorithm,
        "allow_row_stochastic": allow_row_stochastic,
    }
    growth = second_moment_growth(problem, W, **arguments)
    noise_in_range(problem)
    slowest = float(np.min(step_size)) * largest_feature(problem) ** 2
    checks.above_rounding("step_size", slowest, _SLOWEST, "covariance is known to six digits")
    problems_checks.finite_variance("step_size", growth)
    if has_closed_law(problem, W, algorithm):
        return SecondMoments(setting(problem, W, **arguments)).covariance()
    return recursion(problem, W, **arguments, at_infinity=False).covariance()


@checks.in_doubles
def critical_step_size(
    problem: Problem,
    W: ArrayLike | Any,
    *,
    batch_size: ArrayLike,
    at: str,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
    rtol: float = 1e-3,
    n_particles: int | None = None,
    rng: Any = None,
    threads: int | None = None,
    progress: bool = False,
) -> CriticalStepSize:
    """The common step size at which the variance becomes infinite, or at which everything diverges.

    For one node both have the form η s² λ = const; at infinite variance 2b/(b + d + 1). On a
    vertex-transitive graph with eigenvalues μ_k the variance becomes infinite where
    κ (1/N) Σ_k 1/(1 − (μ_k − η s²)²) = 1.

    Parameters
    ----------
    problem, W, batch_size, algorithm, allow_row_stochastic
        As in :func:`second_moment_growth`; at divergence every problem and every linear or homogeneous
        algorithm, as in :func:`tail_index`.
    at : {"infinite-variance", "divergence"}
        h(2) = 1, where alpha = 2, exactly; or rho = 0, where alpha reaches 0 and the stationary law is
        gone, by quadrature for one node with isotropic features, exactly for rows of one coordinate and
        for tokens of either, and along sampled paths for anything else.
    rtol : float
        Relative standard error to reach. For plain steps on Gaussian features a window between the two step
        sizes narrower than that is resolved to a twentieth of itself.
    n_particles, rng, threads, progress
        As in :func:`moment_growth`; at infinite variance nothing is random.

    Returns
    -------
    CriticalStepSize
        ``.value``, ``.stderr`` and ``.binding``: which of the noise and the mean sets the limit.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it. Where steps stay bounded all moments are finite
        at every step size, and there is nothing to compute.

    Notes
    -----
    Where no exact formula helps, step sizes 1, 2, 4, … or 1, ½, ¼, … are tried until rho changes its sign,
    and the root between the last two is found along common paths, the same random numbers at every step
    size; its error is that of rho over the slope of rho. rho may change its sign more than once where
    features take few values; what is found is then one of the roots.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=100)
    >>> critical = dsf.theory.critical_step_size(problem, [[1.0]], batch_size=5, at="infinite-variance")
    >>> round(critical.value, 5), critical.binding
    (0.09434, 'variance')
    >>> critical = dsf.theory.critical_step_size(problem, [[1.0]], batch_size=5, at="divergence")
    >>> round(critical.value, 5)
    0.09458

    Momentum, on three rows; without it rho is the mean of log |1 − η a²|, which is 0 at 1.2826:

    >>> rows = dsf.DatasetRegression([[1.0], [0.5], [2.2]], [1.0, 0.0, 1.0])
    >>> options = {"batch_size": 1, "at": "divergence", "rtol": 0.05, "rng": 0}
    >>> plain = dsf.theory.critical_step_size(rows, [[1.0]], **options)
    >>> heavy = dsf.algorithms.heavy_ball(0.5)
    >>> round(plain.value, 4), plain.method
    (1.2826, 'exact')
    >>> dsf.theory.critical_step_size(rows, [[1.0]], algorithm=heavy, **options).value < plain.value
    True
    """
    check.choice("at", at, ("infinite-variance", "divergence"))
    check.fraction("rtol", rtol)
    arguments: Any = {
        "step_size": 1.0,
        "batch_size": batch_size,
        "algorithm": algorithm,
        "allow_row_stochastic": allow_row_stochastic,
    }
    largest_feature(problem)
    if at == "infinite-variance" and not has_closed_law(problem, W, algorithm):
        value, mean_value = recursion(problem, W, **arguments, at_infinity=True).critical_step_size()
        binding = "mean" if mean_value <= value else "variance"
        return CriticalStepSize(value, 0.0, at, binding, mean_value, "exact")
    asked = question(problem, W, **arguments, rng=rng)
    checks.diverges("algorithm", asked)
    key = common_rng.key_from(rng)
    with _ticker(progress) as tick:

        def walk_at(part: Setting | Distant, n_paths: int | None = None) -> Walk:
            return Walk(_population(part, key, n_paths or n_particles, threads), tick)

        if isinstance(asked, Distant):
            return _divergence(asked, rtol, walk_at)
        return min((_critical(part, at, rtol, walk_at) for part in asked.components()), key=float)


def _divergence(
    asked: Distant, rtol: float, walk_at: Callable[[Distant, int | None], Walk]
) -> CriticalStepSize:
    known = known_factor_of(asked)
    if known is not None:
        value = known_divergence(lambda step: _rho(asked.at_step_size(step)))
        return CriticalStepSize(value, 0.0, "divergence", "divergence", math.nan, known.method)
    value, stderr, precise = divergence(lambda step, n: walk_at(asked.at_step_size(step), n), rtol)
    notes = () if precise else (f"the relative standard error stayed above rtol={rtol:g}",)
    return CriticalStepSize(value, stderr, "divergence", "divergence", math.nan, "population", notes)


def _rho(asked: Distant) -> float:
    factor = known_factor_of(asked)
    return math.nan if factor is None else factor.lyapunov_exponent()


def _critical(part: Setting, at: str, rtol: float, walk_at: Callable[[Setting], Walk]) -> CriticalStepSize:
    mean_value = second_moments.mean_critical_step_size(part)
    value, stderr, method = second_moments.critical_step_size(part, mean_value), 0.0, "exact"
    binding = "mean" if mean_value <= value else "variance"
    if at == "divergence":
        binding = "divergence"
        if is_one_node(part):
            contraction = one_node.critical_contraction(part.dim, int(part.batch_size[0]))
            value, method = contraction / float(part.power[0] * part.eigenvalues[0]), "quadrature"
        elif value > 0:
            value, stderr = roots.divergence(part, walk_at, value, rtol)
            method = "population"
        else:
            binding = "mean"
    return CriticalStepSize(value, stderr, at, binding, mean_value, method)


@checks.in_doubles
def moment_growth(
    problem: Problem,
    W: ArrayLike | Any,
    s: float,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
    rtol: float = 0.01,
    n_particles: int | None = None,
    rng: Any = None,
    threads: int | None = None,
    progress: bool = False,
) -> Growth:
    """The exponent log h(s) at which E‖M_k…M_1‖^s grows per step.

    One node with isotropic features by quadrature, h(s) = E[((1 − cX)² + c²XY)^{s/2}] with c = η s²/b,
    X ~ χ²(b), Y ~ χ²(d − 1); one with rows of one coordinate by E|1 − η mean a²|^s over its minibatches.
    A token by the Perron root of P_ij m_j(s), m_j(s) such an average of node j. Where all nodes meet at one
    point after a step and no rotation changes it, as at a server, by draws of R = ‖x⁺‖ / ‖x‖, h(s) = E R^s.
    A graph by population Monte Carlo, on inner products alone where the features are isotropic and d ≥ 2N,
    with the second moments as control variate.

    Parameters
    ----------
    problem, W, step_size, batch_size, algorithm, allow_row_stochastic
        As in :func:`second_moment_growth`.
    s : float
        The moment, positive; :func:`lyapunov_exponent` is its slope at 0.
    rtol : float
        Standard error to reach, relative to s times the slope of log h, which is what an error of that
        size in alpha amounts to.
    n_particles : int, optional
        Population size; by default 1024, or 256 on large graphs, and for a tail index as many more as
        bring the bias of a finite population, which is removed, below the standard error asked for.
    rng : None, int or numpy Generator
        As in ``numpy.random.default_rng``; the same one gives the same bits for any number of threads.
    threads : int, optional
        Most threads to use.
    progress : bool
        Show a progress bar (needs tqdm, in the extra ``cli``).

    Returns
    -------
    Growth
        ``.value``, ``.stderr`` and how they were obtained.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> growth = dsf.theory.moment_growth(problem, [[1.0]], 2.0, step_size=0.5, batch_size=1)
    >>> round(growth.value, 6), growth.method
    (-0.287682, 'quadrature')
    """
    asked = question(
        problem,
        W,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=algorithm,
        allow_row_stochastic=allow_row_stochastic,
        rng=rng,
    )
    moment = check.positive_number("s", s)
    check.fraction("rtol", rtol)
    checks.grows("algorithm", asked)
    key = common_rng.key_from(rng)

    def of_part(part: Setting | Distant, tick: Callable[[int, float], object]) -> Growth:
        factor = factor_of(part, threads)
        if factor is not None:
            return _growth_of_factor(factor.precise(rtol, moment), moment)
        walk = Walk(_population(part, key, n_particles, threads), tick)
        seen = walk.look(moment)
        while walk.worth_longer(seen, rtol * moment * abs(seen.slope)):
            seen = walk.look_longer()
        notes = _luck(seen.n_draws)
        return _growth_of(walk, moment, seen.value, seen.stderr, seen.bias, seen.n_steps, notes)

    with _ticker(progress) as tick:
        return max((of_part(part, tick) for part in _parts(asked)), key=float)


@checks.in_doubles
def lyapunov_exponent(
    problem: Problem,
    W: ArrayLike | Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
    rtol: float = 0.01,
    n_particles: int | None = None,
    rng: Any = None,
    threads: int | None = None,
    progress: bool = False,
) -> Growth:
    """The top Lyapunov exponent rho = lim (1/k) log‖M_k…M_1‖; a stationary law needs rho < 0.

    One node with isotropic features by quadrature of ½ E log((1 − cX)² + c²XY), a graph by population Monte
    Carlo, both as in :func:`moment_growth`.

    Parameters
    ----------
    problem, W, step_size, batch_size, algorithm, allow_row_stochastic
        As in :func:`second_moment_growth`.
    rtol : float
        Relative standard error to reach; given up where rho is too close to 0.
    n_particles, rng, threads, progress
        As in :func:`moment_growth`.

    Returns
    -------
    Growth
        ``.value`` and ``.stderr``.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> rho = dsf.theory.lyapunov_exponent(problem, [[1.0]], step_size=0.5, batch_size=1)
    >>> round(rho.value, 6)
    -0.484627
    """
    asked = question(
        problem,
        W,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=algorithm,
        allow_row_stochastic=allow_row_stochastic,
        rng=rng,
    )
    check.fraction("rtol", rtol)
    checks.grows("algorithm", asked)
    key = common_rng.key_from(rng)

    def of_part(part: Setting | Distant, tick: Callable[[int, float], object]) -> Growth:
        factor = factor_of(part, threads)
        if factor is not None:
            return _growth_of_factor(factor.precise(rtol, 0.0), 0.0)
        walk = Walk(_population(part, key, n_particles, threads), tick)
        seen = roots.lyapunov_exponent(walk, rtol)
        return _growth_of(walk, 0.0, seen.slope, seen.slope_stderr, 0.0, seen.n_steps, ())

    with _ticker(progress) as tick:
        return max((of_part(part, tick) for part in _parts(asked)), key=float)


@checks.in_doubles
def tail_index(
    problem: Problem,
    W: ArrayLike | Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    allow_row_stochastic: bool = False,
    rtol: float = 0.01,
    cap: float = 32.0,
    n_particles: int | None = None,
    rng: Any = None,
    threads: int | None = None,
    progress: bool = False,
) -> TailIndex:
    """The tail index alpha of the stationary law: the positive root of log h(alpha) = 0.

    Kesten (1973) and Goldie (1991) for E⁺ = M E + q; arXiv 2205.06689, Theorem 2 for decentralized SGD. A
    disconnected graph has the smallest alpha of its parts. One node with isotropic features by
    quadrature, one that holds rows of one coordinate by the sum over its minibatches, E|1 − η mean a²|^α = 1,
    a token by a Perron root, a server by draws of one step, and anything else by population Monte Carlo (see
    :func:`moment_growth`).

    Parameters
    ----------
    problem, W, step_size, batch_size, algorithm, allow_row_stochastic
        As in :func:`second_moment_growth`.
    rtol : float
        Relative standard error at which to stop.
    cap : float
        Largest moment to try; a lighter tail is reported as the bound alpha ≥ cap.
    n_particles, rng, threads, progress
        As in :func:`moment_growth`.

    Returns
    -------
    TailIndex
        ``.alpha``, ``.stderr``, ``.lyapunov_exponent``, ``.stationary`` and how they were obtained. Where
        rho ≥ 0 within its error there is no stationary law: ``stationary`` is False and alpha is nan.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Warns
    -----
    NotStationaryWarning, LightTailWarning, PrecisionWarning
        No stationary law; alpha is only a bound; the requested error was not reached.

    Notes
    -----
    Moments of the features must exist beyond 2·alpha: features with a power tail of index a let alpha be
    a / 2 at most, and no population sees that. alpha does not depend on ``noise_std``. Where that is 0 at
    every node the stationary law is the point x*
    itself, and alpha tells how far runs stray on their way there.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> tail = dsf.theory.tail_index(problem, [[1.0]], step_size=0.5, batch_size=1)
    >>> round(tail.alpha, 5), tail.stationary
    (2.90397, True)

    A model that walks between two nodes and seldom leaves one:

    >>> import numpy as np
    >>> walk = dsf.mixing.token(np.array([[0.98, 0.02], [0.02, 0.98]]))
    >>> options = {"step_size": [0.2, 1.2], "batch_size": 1, "algorithm": dsf.algorithms.token_sgd()}
    >>> round(dsf.theory.tail_index(problem, walk, **options).alpha, 3)
    0.836
    """
    asked = question(
        problem,
        W,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=algorithm,
        allow_row_stochastic=allow_row_stochastic,
        rng=rng,
    )
    check.fraction("rtol", rtol)
    highest = check.positive_number("cap", cap)
    key = common_rng.key_from(rng)
    with _ticker(progress) as tick:
        parts = [
            _all_moments(part.bounded)
            if isinstance(part, Distant) and part.bounded
            else _tail_of_factor(factor.precise(rtol), rtol, highest)
            if (factor := factor_of(part, threads)) is not None
            else _tail_by_population(part, rtol, highest, key, n_particles, threads, tick)
            for part in _parts(asked)
        ]
    # One part without a stationary law leaves the whole without one; else the heaviest tail prevails.
    result = min(parts, key=lambda part: (part.stationary, part.alpha))
    for category, message in _notes(result):
        warnings.warn(message, category, stacklevel=3)
    return result


def _growth_of_factor(factor: Factor, s: float) -> Growth:
    value = factor.log_growth(s) if s > 0 else factor.lyapunov_exponent()
    stderr = factor.log_growth_stderr(s) if s > 0 else factor.lyapunov_stderr()
    notes = (f"moments above {factor.seen():.3g} rest on few draws",) if s > factor.seen() else ()
    return Growth(value, stderr, s, 0.0, factor.size, 0, 0, factor.method, notes)


def _tail_of_factor(factor: Factor, rtol: float, cap: float) -> TailIndex:
    alpha, seen, notes = factor.tail_index(cap), factor.seen(), []
    bound = math.inf if math.isnan(alpha) else min(cap, seen)
    light, stderr = alpha > bound, math.nan
    if light and seen < cap:
        notes.append(f"moments above {seen:.3g} rest on few draws")
    if not light and not math.isnan(alpha):
        stderr = factor.log_growth_stderr(alpha) / factor.slope(alpha)
        if stderr > rtol * alpha:
            notes.append(f"the relative standard error stayed above rtol={rtol:g}")
    return TailIndex(
        alpha=bound if light else alpha,
        stderr=stderr,
        lyapunov_exponent=factor.lyapunov_exponent(),
        lyapunov_stderr=factor.lyapunov_stderr(),
        stationary=not math.isnan(alpha),
        lower_bound=light,
        bias=0.0,
        n_particles=factor.size,
        n_steps=0,
        burn_in=0,
        method=factor.method,
        warnings=tuple(notes),
    )


def _all_moments(reason: str) -> TailIndex:
    return TailIndex(
        alpha=math.inf,
        stderr=math.nan,
        lyapunov_exponent=math.nan,
        lyapunov_stderr=math.nan,
        stationary=True,
        lower_bound=True,
        bias=0.0,
        n_particles=0,
        n_steps=0,
        burn_in=0,
        method="bounded",
        warnings=(reason,),
    )


def _tail_by_population(
    part: Setting | Distant,
    rtol: float,
    cap: float,
    key: NDArray[np.uint64],
    n_particles: int | None,
    threads: int | None,
    tick: Callable[[int, float], object],
) -> TailIndex:
    size = _default_particles(part) if n_particles is None else n_particles
    while True:
        walk = Walk(_population(part, key, size, threads), tick)
        root = roots.tail_index(walk, rtol, cap)
        # The bias is removed as far as two steps at a time show it.
        excess = abs(root.bias) / (rtol * abs(root.value)) if root.status in ("found", "slow") else 0.0
        excess = _TOO_SMALL if root.status == "unsettled" else excess
        if n_particles is not None or excess <= 1 or size >= _MOST_PARTICLES:
            break
        size = min(size * 2 ** math.ceil(math.log2(excess)), _MOST_PARTICLES)
    more = "give more n_particles"
    notes = {
        "luck": [f"moments above {root.value:.3g} rest on few draws: {more}"],
        "slow": [f"the relative standard error stayed above rtol={rtol:g}: {more}"],
        "unsettled": [f"growth near alpha changes from look to look: {more}"],
        "found": [f"the bias removed from alpha exceeds rtol={rtol:g} of it: {more}"] if excess > 1 else [],
    }.get(root.status, [])
    if isinstance(part, Distant) and size < _FEW_DRAW_A_ROW * part.rarest_row(root.value):
        notes.append(f"few particles draw at each step a row that may carry the tail alone: {more}")
    return TailIndex(
        alpha=root.value,
        stderr=root.stderr,
        lyapunov_exponent=root.lyapunov.slope,
        lyapunov_stderr=root.lyapunov.slope_stderr,
        stationary=root.status != "not stationary",
        lower_bound=root.status in ("light", "luck", "unsettled"),
        bias=root.bias,
        n_particles=walk.population.n_particles,
        n_steps=root.n_steps,
        burn_in=walk.population.burn_in,
        method="population",
        warnings=tuple(notes),
        dominating_row=_dominating_row(part, walk, root) if isinstance(part, Distant) else None,
    )


def _dominating_row(part: Distant, walk: Walk, root: roots.Root) -> DominatingRow | None:
    population = walk.population
    if root.status not in ("found", "slow") or not isinstance(population, Particles):
        return None
    found = population.dominating_row(root.value)
    if found is None:
        return None
    node, place, share = found
    source = population.loop.source
    square = float(np.square(source.features[place]).sum())
    shares = part.problem.partition(part.experiment.n_nodes)
    return DominatingRow(
        node=node,
        row=int(shares.rows[place]),
        contraction=float(part.experiment.step_sizes[0, 0, node] * square / source.batch_sizes[node]),
        share=share,
        chance=float(source.batch_sizes[node] / shares.shares[node]),
    )


def _notes(result: TailIndex) -> Iterator[tuple[type[Warning], str]]:
    rho = f"rho = {result.lyapunov_exponent:.3g} ± {result.lyapunov_stderr:.2g}"
    if not result.stationary:
        yield (
            NotStationaryWarning,
            f"{rho} is not below 0 beyond its error, so there is no stationary law and no tail index: alpha "
            "is nan; use a smaller step_size (critical_step_size(..., at='divergence') is where rho = 0)",
        )
    elif result.method == "bounded":
        yield LightTailWarning, f"{result.warnings[0]}: all moments are finite, and there is no tail index"
    elif result.lower_bound:
        yield (
            LightTailWarning,
            f"the tail is lighter than alpha = {result.alpha:.4g}, the largest moment that could be shown "
            f"finite: alpha is a lower bound {'; '.join(('', *result.warnings))}",
        )
    elif result.warnings:
        yield PrecisionWarning, "; ".join(result.warnings)


def _parts(asked: Setting | Distant) -> list[Setting] | list[Distant]:
    return asked.components() if isinstance(asked, Setting) else [asked]


def _population(
    part: Setting | Distant, key: NDArray[np.uint64], n_particles: int | None, threads: int | None
) -> Population | Particles:
    size = _default_particles(part) if n_particles is None else check.integer("n_particles", n_particles, 64)
    checks.above_rounding("step_size", part.contraction)
    if isinstance(part, Distant):
        return Particles(part.far, part.experiment, size, threads)
    return Population(part, key, size, threads)


def _default_particles(part: Setting | Distant) -> int:
    if isinstance(part, Distant):
        wished = 1 << math.ceil(math.log2(_DRAW_A_ROW * part.rarest_row(_HIGHEST)))
        return min(max(_PARTICLES_OF_A_LOOP, wished), _MOST_PARTICLES)
    numbers = part.n_nodes * min(part.dim, 2 * part.n_nodes)
    return _PARTICLES if numbers <= _LARGE else _FEWER_PARTICLES


def _growth_of(
    walk: Walk,
    s: float,
    value: float,
    stderr: float,
    bias: float,
    n_steps: int,
    notes: tuple[str, ...],
) -> Growth:
    population = walk.population
    return Growth(
        value, stderr, s, bias, population.n_particles, n_steps, population.burn_in, "population", notes
    )


def _luck(n_draws: float) -> tuple[str, ...]:
    if n_draws >= FEW_DRAWS:
        return ()
    return (f"the moment rests on some {n_draws:.0f} draws: give more n_particles",)


@contextmanager
def _ticker(show: bool) -> Iterator[Callable[[int, float], object]]:
    with progress_bar(check.flag("progress", show), unit="step", unit_scale=True) as bar:

        def tick(done: int, s: float) -> None:
            if bar is not None:
                bar.set_description(f"s = {s:.4g}", refresh=False)
                bar.update(done)

        yield tick
