"""What theory says of a run, line by line: its frontier, its second moments, its tail index."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from desgd_fast.cli.frontiers import critical, in_place_of_step_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desgd_fast.algorithms import Algorithm
    from desgd_fast.mixing import MixingProcess, MixingReport
    from desgd_fast.tails import TailEstimate
    from desgd_fast.tails.results import TailPath
    from desgd_fast.theory import TailIndex

# Share of the step size of infinite variance that a run takes when it is not told a step size.
DEFAULT_SHARE = 0.9
# Beyond so many nodes, or coordinates of nodes that hold rows, exact second moments take longer than runs.
EXACT_NODES, EXACT_COORDINATES = 100, 400
# A Hill estimate from so many values contradicts an index that is so many standard errors away.
_FEWEST, _FAR = 10, 3.0
# Standard error of a reading worth the runs, as a share of it.
_CLOSE = 0.05
# What a tail index is computed to.
_RTOL = 0.02


@dataclass(frozen=True)
class Computed:
    """The step size of a run, what is known of it, and its tail index where that is computed."""

    step_size: float
    rows: list[tuple[str, str]]
    tail: "TailIndex | None" = None


def computed(
    problem: Any,
    W: "MixingProcess",
    report: "MixingReport",
    *,
    step_size: float | None,
    batch_size: int,
    algorithm: "Algorithm",
    rng: int,
    threads: int | None,
    wanted: bool,
) -> Computed:
    """What theory computes for the problem itself, or why it does not."""
    from desgd_fast import theory

    if not wanted:
        if step_size is None:
            raise typer.BadParameter("--step-size is needed with --no-theory")
        return Computed(step_size, [])
    law: dict[str, Any] = {"batch_size": batch_size, "algorithm": algorithm}
    label, unknown = "step size of infinite variance", "growth of the second moment"
    if _large(problem, report):
        one: Any = {"batch_size": batch_size, "at": "infinite-variance"}
        alone = float(theory.critical_step_size(problem, [[1.0]], **one))
        # The mean of the iterates is stable below (1 + μ_min) / λ_max, whatever the noise.
        lowest = report.smallest_eigenvalue if not algorithm.adapt_first else 1.0
        near = min(alone, (1.0 + lowest) / _steepest(problem))
        step_size = DEFAULT_SHARE * near if step_size is None else step_size
        return Computed(step_size, [(label, f"near {near:.6g}, that of one node alone (a large graph)")])
    exact = critical(problem, W, "infinite-variance", **law)
    if step_size is None:
        step_size = DEFAULT_SHARE * in_place_of_step_size(exact)
    if isinstance(exact, ValueError):
        rows = [(unknown, f"not computed: {exact}")]
    else:
        growth = theory.second_moment_growth(problem, W, step_size=step_size, **law)
        verdict = "infinite" if growth >= 1 else "finite"
        rows = [
            (label, f"{float(exact):.6g}"),
            (unknown, f"{growth:.6g} a step, variance {verdict}"),
        ]
    law |= {"step_size": step_size, "rng": rng, "threads": threads, "rtol": _RTOL}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said in the line
            tail = theory.tail_index(problem, W, **law)
    except ValueError as refusal:
        return Computed(step_size, [*rows, ("computed tail index", f"none: {refusal}")])
    return Computed(step_size, [*rows, *_lines(tail)], tail)


def _large(problem: Any, report: "MixingReport") -> bool:
    from desgd_fast.problems.protocols import OwnRows

    n_nodes = report.n_nodes
    return n_nodes > EXACT_NODES or (
        isinstance(problem, OwnRows) and n_nodes * problem.dim > EXACT_COORDINATES
    )


def _steepest(problem: Any) -> float:
    """The largest curvature of the problem in any direction."""
    import numpy as np

    from desgd_fast.problems.protocols import ClosedLaw

    if isinstance(problem, ClosedLaw):
        return float(problem.stds(1)[0][0]) ** 2 * float(problem.eigenvalues.max())
    return float(np.linalg.norm(problem.features, 2) ** 2 / problem.n_rows) + float(problem.loss.ridge)


def _lines(tail: "TailIndex") -> list[tuple[str, str]]:
    label = "computed tail index"
    if not tail.stationary:
        return [(label, f"none: rho = {tail.lyapunov_exponent:.2g}, no stationary law")]
    if tail.method == "bounded":
        return [(label, f"none: {tail.warnings[0]}, all moments are finite")]
    if tail.lower_bound:
        return [(label, f"above {tail.alpha:.3g}")]
    error = "" if tail.stderr == 0 else f" ± {tail.stderr:.2g}"
    lines = [(label, f"{tail.alpha:.4g}{error}, by {tail.method}")]
    row = tail.dominating_row
    if row is not None:
        lines.append(
            (
                "made by",
                f"record {row.row + 1} of the data, at node {row.node}, η‖a‖²/b = {row.contraction:.3g}: "
                f"{row.share:.0%} of its steps draw it in large excursions, {row.chance:.1%} in others",
            )
        )
    return lines


def beside(
    tail: "TailIndex | None", estimate: "TailEstimate | None", norms: "NDArray[np.float64]"
) -> str | None:
    """What the computed index says about the one estimated from these distances, and at which level."""
    from desgd_fast import tails

    if tail is None or estimate is None or not tail.stationary or tail.lower_bound:
        return None
    low, high, threshold = (float(value) for value in (estimate.ci_low, estimate.ci_high, estimate.threshold))
    if low <= tail.alpha <= high:
        return f"the computed index {tail.alpha:.3g} lies within the interval"
    outside = (
        f"take the computed index {tail.alpha:.3g}; it lies outside the interval of the estimate, whose "
        f"values, those beyond {threshold:.3g}, have not reached the tail"
    )
    path = tails.hill_path(norms)
    k = _contradicted(tail.alpha, path)
    if k is None:
        return f"{outside}, though no Hill estimate contradicts it: take more --runs"
    share, level = k / path.n_used, path.threshold[k - 1]
    return (
        f"{outside}: to see it takes --runs {1 / (_CLOSE**2 * share):.0e} or more. Hill's estimates "
        f"contradict the computed index down to the {k} largest, P = {share:.2g} beyond {level:.3g}: the "
        "tail begins there or, where fewer values are too few to tell, further out"
    )


def _contradicted(alpha: float, path: "TailPath") -> int | None:
    """The fewest largest values whose Hill estimate is far from alpha; its relative error is 1/√k."""
    import numpy as np

    off = np.abs(path.alpha / alpha - 1) * np.sqrt(path.k)
    far = path.k[(off > _FAR) & (path.k >= _FEWEST)]
    return int(far[0]) if far.size else None
