"""Decentralized, centralized and disconnected descent side by side, and where one regime ends."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.common import rng as common_rng
from desgd_fast.common import threads as common_threads
from desgd_fast.common.pieces import pieces
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.growth import regime
from desgd_fast.mixing import checks as mixing_checks
from desgd_fast.mixing.processes import as_process
from desgd_fast.problems.protocols import ClosedLaw, Problem
from desgd_fast.theory.checks import in_doubles
from desgd_fast.theory.descents.verdicts import Comparison, Contender, RegimeMap, Verdict
from desgd_fast.theory.results import TailIndex

Array = NDArray[np.float64]

# Standard errors by which two tail indices must differ to be called different.
_SIGNIFICANT = 3.0
# Singular values in one call of a kernel: about half a second.
_CALL_UNKNOWNS = 1 << 20


@in_doubles
def compare(
    problem: Problem,
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
    alpha_DE < alpha_C; against disconnected the two tail indices decide, beside h(2) of both and, for plain
    steps on Gaussian features, the small-coupling rule η_crit < 1/s². Under other algorithms and on other
    problems these are questions, not theorems. A contender that the algorithm cannot be, as one node alone
    under Krum's rule, is left out, and its verdicts say why.

    Parameters
    ----------
    problem : Problem
        As in :func:`tail_index`; same law at every node, or rows that nodes hold.
    graphs : mapping of str to (n_nodes, n_nodes) array or MixingProcess
        Mixing matrices or processes by name.
    step_size, batch_size, algorithm, rtol, rng, threads
        As in :func:`tail_index`; one step size and one batch size for all.

    Returns
    -------
    Comparison
        ``.contenders``, a mapping from name to numbers, and ``.verdicts``. Second moments that are not known
        are nan, frontiers that are not None.

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
    networks = {name: _network(f"graphs[{name!r}]", W) for name, W in graphs.items()}
    sizes = {name: as_process("W", W, allow_negative=True).n_nodes for name, W in networks.items()}
    n_nodes = mixing_checks.common_size("graphs", sizes)
    batch = check.positive_integer("batch_size", batch_size)
    common = {"step_size": check.positive_number("step_size", step_size), "algorithm": algorithm}
    key = common_rng.key_from(rng)
    contenders, absent = {}, {}
    for name, W, b in [
        ("centralized", np.ones((1, 1)), batch * n_nodes),
        ("disconnected", np.eye(n_nodes), batch),
    ]:
        try:
            contenders[name] = _contender(problem, W, b, common, rtol, key, threads)
        except ValueError as refusal:
            absent[name] = str(refusal)
    for name, W in networks.items():
        contenders[name] = _contender(problem, W, batch, common, rtol, key, threads)
    power = None
    if isinstance(problem, ClosedLaw) and algorithm.plain:
        power = float(problem.stds(n_nodes)[0][0] ** 2 * problem.eigenvalues.max())
    verdicts = []
    for name in networks:
        for claim, rival, decided in [
            (f"{name} is heavier-tailed than centralized", "centralized", _against_centralized),
            (f"{name} is lighter-tailed than disconnected", "disconnected", _against_disconnected(power)),
        ]:
            if rival in absent:
                verdicts.append(Verdict(claim, None, f"no {rival}: {absent[rival]}"))
            else:
                verdicts.append(Verdict(claim, *decided(contenders[name], contenders[rival])))
    return Comparison(contenders, tuple(verdicts))


def _network(name: str, W: Any) -> Any:
    """A process, or the matrix of one that does not change."""
    process = as_process(name, W, allow_negative=True)
    return process.base if process.fixed else process


def _contender(
    problem: Problem,
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
    law: dict[str, Any] = {"batch_size": batch_size, "algorithm": common["algorithm"]}
    variance = _known(theory.critical_step_size, problem, W, at="infinite-variance", **law)
    end = _known(theory.critical_step_size, problem, W, at="divergence", rtol=rtol / 10, **law, **source)
    growth = _known(theory.second_moment_growth, problem, W, batch_size=batch_size, **common)
    return Contender(tail, math.nan if growth is None else growth, variance, end)


def _known(compute: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What theory computes; None where it refuses arguments that have a tail index."""
    try:
        return compute(*arguments, **named)
    except (ValueError, TypeError):
        return None


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
    if tail.method == "bounded":
        return "none (all moments are finite)"
    sign = "≥ " if tail.lower_bound else ""
    return f"{sign}{tail.alpha:.4g}" + ("" if math.isnan(tail.stderr) else f" ± {tail.stderr:.2g}")


def _against_centralized(graph: Contender, central: Contender) -> tuple[bool | None, str]:
    evidence = f"alpha {_describe(graph.tail)} against {_describe(central.tail)}"
    return _decide(graph.tail, central.tail), evidence


def _against_disconnected(
    power: float | None,
) -> Callable[[Contender, Contender], tuple[bool | None, str]]:
    """The comparison, with the small-coupling rule where features of this power are Gaussian."""

    def decided(graph: Contender, alone: Contender) -> tuple[bool | None, str]:
        evidence = [f"alpha {_describe(graph.tail)} against {_describe(alone.tail)}"]
        if not math.isnan(graph.second_moment_growth + alone.second_moment_growth):
            evidence.append(f"h(2) {graph.second_moment_growth:.6g} against {alone.second_moment_growth:.6g}")
        if power is not None and graph.infinite_variance is not None:
            critical = float(graph.infinite_variance)
            rule = "holds" if critical < 1 / power else "fails"
            evidence.append(f"η_crit < 1/s² {rule}: {critical:.4g} against {1 / power:.4g}")
        return _decide(alone.tail, graph.tail), "; ".join(evidence)

    return decided


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
            for first, stop in pieces(draws, int(size) * m, _CALL_UNKNOWNS):
                shape = np.array([size, d, b, first])
                regime.count_smaller(key, shape, power, steps, frobenius, chi, counts[first:stop])
            result[row] = 1 - 2 * counts.mean(axis=0)
    return result


@in_doubles
def regime_map(
    problem: Problem,
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

    ``graphs`` maps a label, such as N, the δ of W = I − δL, or a chance that links fail, to a mixing matrix
    or process, so one function draws the maps over (η, N), over (η, δ) and over (η, chance).

    Parameters
    ----------
    problem : GaussianRegression, DatasetRegression or EmpiricalRisk
        Same law at every node, or rows that nodes hold; with rows every graph must have as many nodes.
    graphs : mapping of label to (n_nodes, n_nodes) array or MixingProcess
        Mixing matrices or processes, one row of the map each.
    step_sizes : (n_steps,) array
        Step sizes, increasing.
    batch_size, algorithm
        As in :func:`second_moment_growth`; without communication the same algorithm under W = I.
    norm, n_draws, rng, threads
        As in :func:`norm_bound`.

    Returns
    -------
    RegimeMap
        ``.log_growth`` (n_graphs, n_steps), ``.log_growth_disconnected`` (n_steps,), ``.norm_bound``
        (n_graphs, n_steps) and ``.boundary`` (n_graphs,), the smallest step size in the range at which
        h_DE(2) = h_Dis(2); nan where there is none. The norm bound is of plain steps on isotropic Gaussian
        features, nan for anything else.

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
    from desgd_fast import theory

    steps = check.positive_list("step_sizes", step_sizes)
    mixing_checks.named_graphs("graphs", graphs)
    networks = [_network(f"graphs[{name!r}]", W) for name, W in graphs.items()]
    sizes = [as_process("W", W, allow_negative=True).n_nodes for W in networks]
    alike = isinstance(problem, ClosedLaw)
    # Nodes that draw from one law are alike; those that hold rows are not.
    apart = (
        [[1.0]]
        if alike
        else np.eye(mixing_checks.common_size("graphs", dict(zip(map(str, graphs), sizes, strict=True))))
    )

    def growth(W: Any, step: float) -> float:
        arguments: Any = {"step_size": step, "batch_size": batch_size, "algorithm": algorithm}
        return math.log(theory.second_moment_growth(problem, W, **arguments))

    def gain(step: float, W: Any) -> float:
        return growth(W, step) - growth(apart, step)

    alone = np.array([growth(apart, step) for step in steps])
    coupled = np.array([[growth(W, step) for step in steps] for W in networks])
    boundary = np.array(
        [_first_crossing(steps, row - alone, gain, W) for W, row in zip(networks, coupled, strict=True)]
    )
    bound = np.full(coupled.shape, math.nan)
    if isinstance(problem, ClosedLaw) and problem.isotropic and algorithm.plain:
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


def _first_crossing(steps: Array, difference: Array, gain: Callable[..., float], W: Any) -> float:
    # Equal to rounding counts as equal: a grid may hit the boundary.
    signs = np.sign(np.where(np.abs(difference) < 1e-13, 0.0, difference))
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    if changes.size == 0:
        return math.nan
    k = int(changes[0])
    if signs[k] * signs[k + 1] == 0:
        return float(steps[k if signs[k] == 0 else k + 1])
    return float(optimize.brentq(gain, steps[k], steps[k + 1], args=(W,), rtol=1e-12))
