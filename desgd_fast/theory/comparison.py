"""Decentralized, centralized and disconnected descent side by side, and where one regime ends."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.common import rng as common_rng
from desgd_fast.common import threads as common_threads
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.growth import regime
from desgd_fast.mixing import checks as mixing_checks
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.theory.question import Setting, setting
from desgd_fast.theory.results import TailIndex
from desgd_fast.theory.second_moments import SecondMoments
from desgd_fast.theory.verdicts import Comparison, Contender, RegimeMap, Verdict

Array = NDArray[np.float64]

# Standard errors by which two tail indices must differ to be called different.
_SIGNIFICANT = 3.0


def _growth(question: Setting) -> float:
    return max(SecondMoments(part).growth() for part in question.components())


def compare(
    problem: GaussianRegression,
    graphs: Mapping[str, Any],
    *,
    step_size: float,
    batch_size: int,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    rtol: float = 0.01,
    rng: Any = None,
    threads: int | None = None,
) -> Comparison:
    """Centralized, disconnected and decentralized descent at one step size, and what theorems say of them.

    C-SGD is one node with the joint minibatch N·b, Dis-SGD is W = I; every graph must have the same number of
    nodes N. Verdicts (arXiv 2205.06689): decentralized is heavier-tailed than centralized,
    alpha_DE < alpha_C; against disconnected the two tail indices decide, beside h(2) of both and the
    small-coupling rule η_crit < 1/s².

    Parameters
    ----------
    problem : GaussianRegression
        Same law at every node.
    graphs : mapping of str to (n_nodes, n_nodes) array
        Mixing matrices by name.
    step_size, batch_size, algorithm, rtol, rng, threads
        As in :func:`tail_index`; one step size and one batch size for all.

    Returns
    -------
    Comparison
        ``.contenders``, a mapping from name to numbers, and ``.verdicts``.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import networkx as nx
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=100)
    >>> W = {"complete": dsf.mixing_matrix(nx.complete_graph(2))}
    >>> table = dsf.theory.compare(problem, W, step_size=0.09, batch_size=5, rng=0)
    >>> sorted(table.contenders)
    ['centralized', 'complete', 'disconnected']
    """
    mixing_checks.named_graphs("graphs", graphs)
    matrices = {
        name: mixing_checks.stochastic_matrix(f"graphs[{name!r}]", W, allow_negative=True)
        for name, W in graphs.items()
    }
    n_nodes = mixing_checks.common_size("graphs", {name: int(W.shape[0]) for name, W in matrices.items()})
    batch = check.positive_integer("batch_size", batch_size)
    common = {"step_size": check.positive_number("step_size", step_size), "algorithm": algorithm}
    key = common_rng.key_from(rng)
    contenders = {
        name: _contender(problem, W, b, common, rtol, key, threads)
        for name, W, b in [
            ("centralized", np.ones((1, 1)), batch * n_nodes),
            ("disconnected", np.eye(n_nodes), batch),
            *((name, W, batch) for name, W in matrices.items()),
        ]
    }
    power = float(problem.stds(n_nodes)[0][0] ** 2 * problem.eigenvalues.max())
    verdicts = tuple(
        verdict
        for name in matrices
        for verdict in (
            _against_centralized(name, contenders[name], contenders["centralized"]),
            _against_disconnected(name, contenders[name], contenders["disconnected"], power),
        )
    )
    return Comparison(contenders, verdicts)


def _contender(
    problem: GaussianRegression,
    W: Any,
    batch_size: int,
    common: dict[str, Any],
    rtol: float,
    key: NDArray[np.uint64],
    threads: int | None,
) -> Contender:
    from desgd_fast import theory

    source: dict[str, Any] = {"rng": [int(k) for k in key], "threads": threads}
    with warnings.catch_warnings():
        # The table itself says where there is no law, or only a bound.
        warnings.simplefilter("ignore", RuntimeWarning)
        tail = theory.tail_index(problem, W, batch_size=batch_size, rtol=rtol, **common, **source)
    frontiers = [
        theory.critical_step_size(
            problem, W, batch_size=batch_size, at=at, algorithm=common["algorithm"], **source
        )
        for at in ("infinite-variance", "divergence")
    ]
    growth = theory.second_moment_growth(problem, W, batch_size=batch_size, **common)
    return Contender(tail, growth, *frontiers)


def _interval(tail: TailIndex) -> tuple[float, float]:
    if math.isnan(tail.alpha):
        return 0.0, 0.0
    spread = _SIGNIFICANT * (0.0 if math.isnan(tail.stderr) else tail.stderr)
    return tail.alpha - spread, math.inf if tail.lower_bound else tail.alpha + spread


def _decide(heavier: TailIndex, lighter: TailIndex) -> bool | None:
    """Whether the first tail is heavier beyond the errors; None where they cannot be told apart."""
    low, high = _interval(heavier), _interval(lighter)
    if low[1] < high[0]:
        return True
    return False if low[0] > high[1] else None


def _describe(tail: TailIndex) -> str:
    if not tail.stationary:
        return "none (no stationary law)"
    sign = "≥ " if tail.lower_bound else ""
    return f"{sign}{tail.alpha:.4g}" + ("" if math.isnan(tail.stderr) else f" ± {tail.stderr:.2g}")


def _against_centralized(name: str, graph: Contender, central: Contender) -> Verdict:
    return Verdict(
        f"{name} is heavier-tailed than centralized",
        _decide(graph.tail, central.tail),
        f"alpha {_describe(graph.tail)} against {_describe(central.tail)}",
    )


def _against_disconnected(name: str, graph: Contender, alone: Contender, power: float) -> Verdict:
    rule = "holds" if float(graph.infinite_variance) < 1 / power else "fails"
    return Verdict(
        f"{name} is lighter-tailed than disconnected",
        _decide(alone.tail, graph.tail),
        f"alpha {_describe(graph.tail)} against {_describe(alone.tail)}; "
        f"h(2) {graph.second_moment_growth:.6g} against {alone.second_moment_growth:.6g}; "
        f"η_crit < 1/s² {rule}: "
        f"{float(graph.infinite_variance):.4g} against {1 / power:.4g}",
    )


def norm_bound(
    n_nodes: ArrayLike,
    step_sizes: ArrayLike,
    *,
    dim: int,
    batch_size: int,
    feature_std: float = 1.0,
    norm: str = "spectral",
    n_draws: int = 10_000,
    rng: Any = None,
    threads: int | None = None,
) -> Array:
    """1 − 2P(λ* < 1/η), whose sign draws the regime map of arXiv 2205.06689, figures 1 and 2.

    λ* is the eigenvalue of H/b farthest from 1/η at the node with the largest ‖I − ηH/b‖, H = Σ a aᵀ over
    the b samples of a node. For d = b = 1 the event is max a_i² + min a_i² < 2/η. Drawn from the bidiagonal
    law of the eigenvalues, so that a matrix costs O(min(b, d)).

    Parameters
    ----------
    n_nodes : (n_sizes,) array of int
        Numbers of nodes N.
    step_sizes : (n_steps,) array
        Step sizes η.
    dim, batch_size, feature_std
        d, b and the standard deviation of a feature.
    norm : {"spectral", "frobenius"}
        The norm that picks the node; the published code takes the Frobenius norm.
    n_draws : int
        Draws per N, shared by all η.
    rng, threads
        As in :func:`tail_index`.

    Returns
    -------
    (n_sizes, n_steps) array
        Standard error √(P(1 − P)/n_draws)·2.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> sign = dsf.theory.norm_bound([1, 50], [0.1, 0.5], dim=1, batch_size=1, rng=0)
    >>> (sign > 0).tolist()
    [[False, False], [False, True]]
    """
    sizes = check.counts_list("n_nodes", n_nodes)
    steps = check.positive_list("step_sizes", step_sizes)
    d, b = check.positive_integer("dim", dim), check.positive_integer("batch_size", batch_size)
    power = check.positive_number("feature_std", feature_std) ** 2
    frobenius = check.choice("norm", norm, ("spectral", "frobenius")) == "frobenius"
    draws = check.positive_integer("n_draws", n_draws)
    key = common_rng.key_from(rng)
    m, n = min(d, b), max(d, b)
    degrees = np.concatenate([n - np.arange(m), m - 1 - np.arange(m - 1)]).astype(float)
    chi = random.chi_square_parameters(degrees)
    result = np.empty((sizes.size, steps.size))
    counts = np.empty((draws, steps.size), dtype=np.int64)
    with common_threads.limited_to(threads):
        for row, size in enumerate(sizes):
            regime.count_smaller(key, int(size), d, b, power, steps, frobenius, chi, counts)
            result[row] = 1 - 2 * counts.mean(axis=0)
    return result


def regime_map(
    problem: GaussianRegression,
    graphs: Mapping[Any, Any],
    step_sizes: ArrayLike,
    *,
    batch_size: int,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    norm: str = "spectral",
    n_draws: int = 10_000,
    rng: Any = None,
    threads: int | None = None,
) -> RegimeMap:
    """Where coupling lightens the tail: log h(2) with and without it, exactly, beside the norm bound.

    ``graphs`` maps a label, such as N or the δ of W = I − δL, to a mixing matrix, so one function draws the
    maps over (η, N) and over (η, δ).

    Parameters
    ----------
    problem : GaussianRegression
        Isotropic, same law at every node.
    graphs : mapping of label to (n_nodes, n_nodes) array
        Mixing matrices, one row of the map each.
    step_sizes : (n_steps,) array
        Step sizes, increasing.
    batch_size, algorithm
        As in :func:`second_moment_growth`.
    norm, n_draws, rng, threads
        As in :func:`norm_bound`.

    Returns
    -------
    RegimeMap
        ``.log_growth`` (n_graphs, n_steps), ``.log_growth_disconnected`` (n_steps,), ``.norm_bound``
        (n_graphs, n_steps) and ``.boundary`` (n_graphs,), the smallest step size in the range at which
        h_DE(2) = h_Dis(2); nan where there is none.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import networkx as nx
    >>> import desgd_fast as dsf
    >>> W = {n: dsf.mixing_matrix(nx.complete_graph(n), "laplacian", delta=0.02) for n in (5, 20)}
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> picture = dsf.theory.regime_map(problem, W, [0.3, 0.6, 0.9], batch_size=1, rng=0)
    >>> picture.log_growth.shape
    (2, 3)
    """
    steps = check.positive_list("step_sizes", step_sizes)
    mixing_checks.named_graphs("graphs", graphs)

    def growth(W: Any, step: float) -> float:
        question = setting(
            problem, W, step_size=step, batch_size=batch_size, algorithm=algorithm, allow_row_stochastic=False
        )
        return math.log(_growth(question))

    alone = np.array([growth([[1.0]], step) for step in steps])
    coupled = np.array([[growth(W, step) for step in steps] for W in graphs.values()])
    boundary = np.array(
        [
            _first_crossing(W, steps, row - alone, growth)
            for W, row in zip(graphs.values(), coupled, strict=True)
        ]
    )
    sizes = [
        int(mixing_checks.stochastic_matrix("W", W, allow_negative=True).shape[0]) for W in graphs.values()
    ]
    feature_std = float(problem.stds(1)[0][0] * math.sqrt(float(problem.eigenvalues.max())))
    bound = norm_bound(
        sizes,
        steps,
        dim=problem.dim,
        batch_size=batch_size,
        feature_std=feature_std,
        norm=norm,
        n_draws=n_draws,
        rng=rng,
        threads=threads,
    )
    return RegimeMap(tuple(graphs), steps, coupled, alone, boundary, bound)


def _first_crossing(W: Any, steps: Array, difference: Array, growth: Any) -> float:
    # Equal to rounding counts as equal: a grid may hit the boundary.
    signs = np.sign(np.where(np.abs(difference) < 1e-13, 0.0, difference))
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    if changes.size == 0:
        return math.nan
    k = int(changes[0])
    if signs[k] * signs[k + 1] == 0:
        return float(steps[k if signs[k] == 0 else k + 1])

    return float(
        optimize.brentq(
            lambda step: growth(W, step) - growth([[1.0]], step), steps[k], steps[k + 1], rtol=1e-12
        )
    )
