"""Published curves of the tail index: computed, measured on simulated runs, and as printed."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast import tails, theory
from desgd_fast.paper.networks import Network
from desgd_fast.paper.table import Row, Table, crossing
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.simulation.running import simulate

if TYPE_CHECKING:
    import xarray

# Behind every published value: runs, steps, and the last iterates averaged. The estimator's bias goes with
# the first (the mean of n runs leaves a block of 40 a share 1 − 40/n of its variance), its law with the rest.
PUBLISHED = {"n_runs": 1600, "n_steps": 1000, "average_last": 500}

# Where rho is above this, measured values depend on the number of steps.
SETTLED = -0.002

# The tail index that marks the published transition.
TRANSITION = 1.5


@dataclass(frozen=True)
class Effort:
    """What a point costs: runs for the measured values, and precision of the computed one.

    ``cap`` is the largest tail index to tell apart, ``n_particles`` the population that computes it.
    """

    n_runs: int
    n_steps: int
    average_last: int
    rtol: float
    cap: float
    n_particles: int


def tail_at(
    network: Network,
    point: int,
    *,
    problem: GaussianRegression,
    initial: NDArray[np.float64],
    effort: Effort,
    rng: Any,
) -> dict[str, Any]:
    """Alpha at one point of a curve: by theory, by Hill and by MMO on simulated runs."""
    generator = np.random.default_rng(rng)
    setting: dict[str, Any] = {
        "step_size": network.step_sizes[point],
        "batch_size": network.batch_sizes[point],
        "allow_row_stochastic": network.row_stochastic,
    }
    with warnings.catch_warnings():
        # The result says the same, point by point: stationary, lower_bound, n_diverged.
        warnings.simplefilter("ignore", RuntimeWarning)
        computed = theory.tail_index(
            problem,
            network.W,
            rtol=effort.rtol,
            cap=effort.cap,
            n_particles=effort.n_particles,
            rng=generator,
            **setting,
        )
        runs = simulate(
            problem,
            network.W,
            n_runs=effort.n_runs,
            n_steps=effort.n_steps,
            average_last=effort.average_last,
            initial=initial,
            allow_negative=True,
            rng=generator,
            **setting,
        )
    return {
        "step_size": setting["step_size"],
        "batch_size": setting["batch_size"],
        "alpha": computed.alpha,
        "alpha_stderr": computed.stderr,
        "alpha_low": computed.ci_low,
        "alpha_high": computed.ci_high,
        "lower_bound": computed.lower_bound,
        "stationary": computed.stationary,
        "lyapunov_exponent": computed.lyapunov_exponent,
        "lyapunov_stderr": computed.lyapunov_stderr,
        "n_diverged": int(runs.diverged.sum()),
        **_hill(runs.norms(stacked=True)),
        **_published_estimator(runs.average),
    }


def _hill(norms: NDArray[np.float64]) -> dict[str, float]:
    """Hill's estimate on the last iterates of all nodes, stacked; overflowed runs count as the largest."""
    finite = int(np.isfinite(norms).sum())
    if finite < norms.size // 2:
        return {"hill": np.nan, "hill_low": np.nan, "hill_high": np.nan}
    estimate = tails.hill(np.where(np.isnan(norms), np.inf, norms), on_infinite="censor")
    return {"hill": estimate.alpha, "hill_low": estimate.ci_low, "hill_high": estimate.ci_high}


def _published_estimator(average: NDArray[np.floating] | None) -> dict[str, float]:
    """Median and range over the nodes of MMO as published; nan where runs overflowed, as there."""
    assert average is not None
    if not np.isfinite(average).all():
        return dict.fromkeys(("mmo", "mmo_stderr", "mmo_lowest", "mmo_highest"), np.nan)
    nodes = tails.mmo(average, preset="desgd", axis=0, vectors=True)
    return {
        "mmo": float(np.median(nodes.alpha)),
        # That of one node: an upper bound, as the nodes do not err quite together.
        "mmo_stderr": float(np.median(nodes.stderr)),
        "mmo_lowest": float(nodes.alpha.min()),
        "mmo_highest": float(nodes.alpha.max()),
    }


def frontiers_of(
    network: Network, *, problem: GaussianRegression, effort: Effort, rng: Any
) -> dict[str, float]:
    """The step sizes at which alpha = 2 and at which rho = 0, with the first point's minibatch."""
    common: dict[str, Any] = {
        "batch_size": network.batch_sizes[0],
        "allow_row_stochastic": network.row_stochastic,
    }
    exact = theory.critical_step_size(problem, network.W, at="infinite-variance", **common)
    end = theory.critical_step_size(
        problem,
        network.W,
        at="divergence",
        rtol=effort.rtol / 10,
        n_particles=effort.n_particles,
        rng=rng,
        **common,
    )
    return {"infinite_variance": exact.value, "divergence": end.value, "divergence_stderr": end.stderr}


def compare(dataset: "xarray.Dataset", parameter: str, published: Mapping[str, Any]) -> Table:
    """Published and own values side by side; the former by curve as (parameter, value) arrays.

    Differences are shown only where ours are measured as the published ones were.
    """
    rows, notes = [], []
    own_effort = {name: int(dataset.attrs[name]) for name in PUBLISHED}
    comparable = own_effort == PUBLISHED
    for name, (places, values) in published.items():
        curve = dataset.sel(network=name)
        own = curve[parameter].values
        for place, value in zip(places, values, strict=True):
            nearest = int(np.argmin(np.abs(own - place)))
            # The published grids are rounded to six digits.
            if abs(own[nearest] - place) > 1e-5:
                continue
            here = curve.isel(point=nearest)
            # Two values with one error each.
            stderr = float(here.mmo_stderr) * np.sqrt(2) if comparable else np.nan
            rho = float(here.lyapunov_exponent)
            remark = "" if bool(here.stationary) else "no stationary law"
            if bool(here.stationary) and rho >= SETTLED:
                remark = "next to divergence"
            rows.append(Row(name, place, value, float(here.mmo), stderr, remark))
        if comparable:
            notes += _transition(name, (places, values), (own, curve.mmo.values))
    if published and not comparable:
        notes.append(
            f"not comparable: measured here on {_effort(own_effort)}, published on {_effort(PUBLISHED)}, and "
            "the values depend on all three; a figure that is not quick compares them"
        )
    return Table("network", parameter, tuple(rows), tuple(notes))


def _effort(effort: Mapping[str, int]) -> str:
    return "{n_runs} runs of {n_steps} steps with the last {average_last} averaged".format(**effort)


def _transition(name: str, published: tuple[Any, Any], own: tuple[Any, Any]) -> list[str]:
    theirs, ours = crossing(*published, TRANSITION), crossing(*own, TRANSITION)
    if np.isnan(theirs) or np.isnan(ours):
        return []
    return [
        f"{name}: measured alpha falls through {TRANSITION} at {theirs:.5g} published, {ours:.5g} here "
        f"({100 * (ours / theirs - 1):+.2f}%)"
    ]
